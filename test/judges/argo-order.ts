/**
 * A judge of the order in which a Workflow document runs its steps: nested DAG templates are expanded to the events
 * "begins" and "ends" of every task, as Argo goes through them. A task begins when all its dependencies have ended; a
 * task whose template is a DAG spans its inner tasks.
 *
 * Comes in: a document as plain JSON. Goes out: its leaf tasks and what is before what. Task names must be unique in the
 * whole document, as those of kfk are. An order with a circle is refused.
 */

export interface ArgoOrder {
  /** Tasks that are no DAGs, in an order in which they could run one by one. */
  readonly leaves: readonly string[];
  /** True when the second cannot begin before the first has ended. */
  readonly isBefore: (first: string, second: string) => boolean;
  /** Leaves on the longest chain of leaves. */
  readonly longest: number;
}

export function expandOrder(document: unknown): ArgoOrder {
  const { spec } = document as { spec: { entrypoint: string; templates: Template[] } };
  const templates = new Map(spec.templates.map((template) => [template.name, template]));
  const events: Event[] = [];
  const leaves = new Map<string, { begin: Event; end: Event }>();
  const event = (leaf: string | null): Event => {
    const made: Event = { leaf, after: [], index: events.length };
    events.push(made);
    return made;
  };
  const walk = (name: string, begin: Event, end: Event): void => {
    const tasks = templates.get(name)?.dag?.tasks ?? [];
    const own = new Map(tasks.map((task) => [task.name, { begin: event(null), end: event(null) }]));
    for (const task of tasks) {
      const span = own.get(task.name) as { begin: Event; end: Event };
      span.begin.after.push(begin, ...(task.dependencies ?? []).map((other) => (own.get(other) as { end: Event }).end));
      span.end.after.push(span.begin);
      end.after.push(span.end);
      if (templates.get(task.template)?.dag !== undefined) {
        walk(task.template, span.begin, span.end);
        continue;
      }
      if (leaves.has(task.name)) throw new Error(`two tasks are called ${task.name}`);
      span.end.leaf = task.name;
      leaves.set(task.name, span);
    }
  };
  walk(spec.entrypoint, event(null), event(null));
  const order = sort(events);
  const words = Math.ceil(events.length / 32);
  const before = new Map<Event, Uint32Array>();
  const length = new Map<Event, number>();
  let longest = 0;
  for (const each of order) {
    const all = new Uint32Array(words);
    let chain = 0;
    for (const other of each.after) {
      const theirs = before.get(other) as Uint32Array;
      for (let word = 0; word < words; word++) all[word] = (all[word] as number) | (theirs[word] as number);
      all[other.index >>> 5] = (all[other.index >>> 5] as number) | (1 << (other.index & 31));
      chain = Math.max(chain, length.get(other) as number);
    }
    before.set(each, all);
    length.set(each, chain + (each.leaf === null ? 0 : 1));
    longest = Math.max(longest, length.get(each) as number);
  }
  return {
    leaves: order.flatMap(({ leaf }) => leaf ?? []),
    isBefore: (first, second) => {
      const [from, to] = [leaves.get(first), leaves.get(second)];
      if (from === undefined || to === undefined) throw new Error(`no task ${from === undefined ? first : second}`);
      const all = before.get(to.begin) as Uint32Array;
      return ((all[from.end.index >>> 5] as number) & (1 << (from.end.index & 31))) !== 0;
    },
    longest,
  };
}

// --- internal ---

interface Task {
  readonly name: string;
  readonly template: string;
  readonly dependencies?: readonly string[];
}

interface Template {
  readonly name: string;
  readonly dag?: { readonly tasks: readonly Task[] };
}

interface Event {
  /** The task whose end this is, when it is a leaf. */
  leaf: string | null;
  readonly after: Event[];
  readonly index: number;
}

function sort(events: readonly Event[]): readonly Event[] {
  const next = new Map<Event, Event[]>(events.map((each) => [each, []]));
  const missing = new Map(events.map((each) => [each, each.after.length]));
  for (const each of events) for (const other of each.after) next.get(other)?.push(each);
  const ready = events.filter((each) => each.after.length === 0);
  for (let at = 0; at < ready.length; at++) {
    for (const each of next.get(ready[at] as Event) ?? []) {
      const left = (missing.get(each) as number) - 1;
      missing.set(each, left);
      if (left === 0) ready.push(each);
    }
  }
  if (ready.length < events.length) throw new Error("tasks wait for each other");
  return ready;
}
