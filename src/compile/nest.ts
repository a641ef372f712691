/**
 * Steps → what stands in the entry DAG of a document: steps, and parts (DAG templates of several steps) where there are
 * more steps than one DAG takes.
 *
 * A part begins when all that its steps need from outside is there, and ends with its last step; inside it every step
 * waits exactly for what it needs. So the order is the old one or a stronger one, and a partition is good when it lets
 * few steps wait for nothing. Here the graph is cut between levels (a step's level: the longest way to it, in steps) into
 * bands, and each connected piece of a band is a part. A chain of bands is never longer than the longest chain of steps,
 * so the critical path, counted in steps, stays as it was; between steps of unlike length the cuts are placed where
 * trial runs lose least. Refused: more than the limits hold (the caller knows what else could fit).
 * Limits: reference/compile-targets.md H, seen on real servers (Argo 4.0.8 with its full CRDs).
 */
import { partName } from "../steps/names.ts";

/** What the partition looks at. */
export interface NestableStep {
  readonly id: string;
  /** Ids of other steps. */
  readonly needs: readonly string[];
}

/** One task of the entry DAG. */
export interface NestedItem<S extends NestableStep> {
  /** Id of the step, or name of the part and its template. */
  readonly name: string;
  /** Names of items, in the order of items. */
  readonly needs: readonly string[];
  /** One: the step itself stands in the entry DAG. More: the part's steps, each after all that it needs. */
  readonly steps: readonly S[];
}

export interface Nesting<S extends NestableStep> {
  /** Each after all that it needs. */
  readonly items: readonly NestedItem<S>[];
  /** How many of the items are parts. */
  readonly parts: number;
  /** Steps on the longest chain: as the project has them, and with parts that wait for each other. */
  readonly path: { readonly flat: number; readonly nested: number };
}

export interface NestLimits {
  /** Tasks in one DAG. */
  readonly tasks: number;
  /** DAG templates that may be added. */
  readonly parts: number;
}

/**
 * Nests steps that come in an order in which each comes after all it needs. Up to `limits.tasks` of them stay flat.
 *
 * Same steps, same result; time grows with steps and needs. Goes out: undefined when no partition keeps the limits.
 */
export function nestSteps<S extends NestableStep>(steps: readonly S[], limits: NestLimits): Nesting<S> | undefined {
  const graph = readGraph(steps);
  const groups = steps.length <= limits.tasks ? graph.preds.map((_, step) => [step]) : partition(graph, limits);
  if (groups === undefined) return undefined;
  const ordered = orderGroups(graph, groups);
  const names = nameGroups(ordered, steps);
  return {
    items: ordered.map(({ members, needs }, index) => ({
      name: names[index] as string,
      needs: needs.map((need) => names[need] as string),
      steps: members.map((member) => steps[member] as S),
    })),
    parts: ordered.filter(({ members }) => members.length > 1).length,
    path: { flat: longestPath(graph), nested: longestNested(graph, ordered) },
  };
}

// --- internal ---

/** Steps by their position, which is a topological order. */
interface Graph {
  readonly preds: readonly (readonly number[])[];
  readonly succs: readonly (readonly number[])[];
}

interface Group {
  /** Positions, ascending. */
  readonly members: readonly number[];
  /** Positions of other groups in the ordered list, ascending. */
  readonly needs: readonly number[];
}

/** A run of levels of one connected graph, in pieces that have nothing to do with each other. */
type Band = readonly (readonly number[])[];

/** Trial runs in which steps take unlike times; the first counts steps. */
const TRIALS = 6;

/** What one more cut must gain, as a share of the critical path: fewer and larger parts are easier to look at. */
const CUT_COST = 0.002;

function readGraph(steps: readonly NestableStep[]): Graph {
  const positions = new Map(steps.map(({ id }, index) => [id, index]));
  const succs = steps.map((): number[] => []);
  const preds = steps.map(({ id, needs }, step) =>
    needs.map((need) => {
      const position = positions.get(need);
      if (position === undefined || position >= step) throw new Error(`step ${id} comes before ${need}`);
      (succs[position] as number[]).push(step);
      return position;
    }),
  );
  return { preds, succs };
}

function partition(graph: Graph, limits: NestLimits): readonly (readonly number[])[] | undefined {
  const trials = Array.from({ length: TRIALS }, (_, trial) => durations(graph.preds.length, trial));
  const everything = graph.preds.map((_, step) => step);
  const whole = components(graph, everything);
  const ready = readyTimes(graph, trials);
  // few cuts at any price when the cheapest ones leave too many parts
  for (const cutCost of [CUT_COST, 1e6]) {
    const bands: Band[] = [whole.filter((piece) => piece.length <= limits.tasks)];
    for (const piece of whole)
      if (piece.length > limits.tasks) bands.push(...cutBands(graph, piece, trials, limits, cutCost));
    for (const room of rooms(limits.tasks)) {
      const groups = bands.flatMap((band) => packBand(band, ready, room));
      const parts = groups.filter((group) => group.length > 1).length;
      if (groups.length <= limits.tasks && parts <= limits.parts) return groups;
    }
  }
  return undefined;
}

/** Sizes up to which pieces are put together, until there are few enough: 0 leaves each piece alone. */
function rooms(limit: number): number[] {
  const sizes = [0];
  for (let size = 2; size < limit; size = Math.ceil(size * 1.3)) sizes.push(size);
  return [...sizes, limit];
}

/** Connected parts of the steps, each ascending, by their first step. Nothing leads from one to another. */
function components(graph: Graph, members: readonly number[]): number[][] {
  const sets = new Sets(graph.preds.length);
  sets.clear();
  for (const member of members) {
    sets.add(member);
    for (const pred of graph.preds[member] as readonly number[]) if (sets.has(pred)) sets.join(pred, member);
  }
  const pieces = new Map<number, number[]>();
  for (const member of members) {
    const top = sets.find(member);
    const piece = pieces.get(top);
    if (piece) piece.push(member);
    else pieces.set(top, [member]);
  }
  return [...pieces.values()];
}

/**
 * Cuts a connected graph into bands whose pieces fit: the cheapest choice of cuts, by dynamic programming over levels.
 * A single level always fits, because its steps have nothing to do with each other.
 */
function cutBands(
  graph: Graph,
  members: readonly number[],
  trials: readonly Float64Array[],
  limits: NestLimits,
  cutCost: number,
): Band[] {
  const levels = findLevels(graph, members);
  const losses = cutLosses(graph, members, levels, trials);
  const sets = new Sets(graph.preds.length);
  const best: number[] = [0];
  const from: number[] = [0];
  // best[end]: the least cost of levels before `end`, when a cut stands there; every start reaches as far as pieces fit
  for (let start = 0; start < levels.length; start++) {
    const cost = (best[start] as number) + (start === 0 ? 0 : (losses[start] as number) + cutCost);
    const farthest = farthestEnd(graph, levels, start, limits.tasks, sets);
    for (let end = start + 1; end <= farthest; end++) {
      if ((best[end] ?? Number.POSITIVE_INFINITY) <= cost) continue;
      best[end] = cost;
      from[end] = start;
    }
  }
  const bands: Band[] = [];
  for (let end = levels.length; end > 0; end = from[end] as number) {
    const band = levels.slice(from[end], end).flat();
    bands.push(
      components(
        graph,
        band.toSorted((a, b) => a - b),
      ),
    );
  }
  return bands.toReversed();
}

/** Members by the number of members on the longest way to them. */
function findLevels(graph: Graph, members: readonly number[]): number[][] {
  const level = new Map<number, number>();
  const levels: number[][] = [];
  for (const member of members) {
    let own = 0;
    for (const pred of graph.preds[member] as readonly number[]) own = Math.max(own, (level.get(pred) ?? -1) + 1);
    level.set(member, own);
    (levels[own] ??= []).push(member);
  }
  return levels;
}

/** The last end (exclusive) of a band from `start` on whose pieces have at most `limit` steps. */
function farthestEnd(
  graph: Graph,
  levels: readonly (readonly number[])[],
  start: number,
  limit: number,
  sets: Sets,
): number {
  sets.clear();
  for (let end = start; end < levels.length; end++) {
    for (const step of levels[end] as readonly number[]) {
      sets.add(step);
      for (const pred of graph.preds[step] as readonly number[]) {
        if (sets.has(pred) && sets.join(pred, step) > limit) return end;
      }
    }
  }
  return levels.length;
}

/** For a cut before each level: how much longer the trial runs get if all above it waits for all below, as a share. */
function cutLosses(
  graph: Graph,
  members: readonly number[],
  levels: readonly (readonly number[])[],
  trials: readonly Float64Array[],
): Float64Array {
  const losses = new Float64Array(levels.length);
  const isMember = new Set(members);
  for (const duration of trials) {
    const end = new Float64Array(duration.length);
    const tail = new Float64Array(duration.length);
    for (const step of members) {
      let start = 0;
      for (const pred of graph.preds[step] as readonly number[]) {
        if (isMember.has(pred)) start = Math.max(start, end[pred] as number);
      }
      end[step] = start + (duration[step] as number);
    }
    for (const step of members.toReversed()) {
      let after = 0;
      for (const succ of graph.succs[step] as readonly number[]) {
        if (isMember.has(succ)) after = Math.max(after, tail[succ] as number);
      }
      tail[step] = after + (duration[step] as number);
    }
    const latest = (times: Float64Array, steps: readonly number[]): number =>
      steps.reduce((most, step) => Math.max(most, times[step] as number), 0);
    const ends = levels.map((level) => latest(end, level));
    const tails = levels.map((level) => latest(tail, level));
    const total = Math.max(...ends);
    for (let cut = 1; cut < levels.length; cut++) {
      ends[cut] = Math.max(ends[cut] as number, ends[cut - 1] as number);
      const back = levels.length - 1 - cut;
      tails[back] = Math.max(tails[back] as number, tails[back + 1] as number);
    }
    for (let cut = 1; cut < levels.length; cut++) {
      const loss = (ends[cut - 1] as number) + (tails[cut] as number) - total;
      losses[cut] = (losses[cut] as number) + loss / total / trials.length;
    }
  }
  return losses;
}

/** When each step could start in a run without parts, on average over the trials. */
function readyTimes(graph: Graph, trials: readonly Float64Array[]): Float64Array {
  const ready = new Float64Array(graph.preds.length);
  for (const duration of trials) {
    const end = new Float64Array(duration.length);
    for (const [step, preds] of graph.preds.entries()) {
      let start = 0;
      for (const pred of preds) start = Math.max(start, end[pred] as number);
      ready[step] = (ready[step] as number) + start / trials.length;
      end[step] = start + (duration[step] as number);
    }
  }
  return ready;
}

/** Puts pieces of a band together up to `room` steps, those that can start at the same time first. */
function packBand(band: Band, ready: Float64Array, room: number): (readonly number[])[] {
  const packed: number[][] = [];
  const at = (piece: readonly number[]): number => ready[piece[0] as number] as number;
  for (const piece of band.toSorted((a, b) => at(a) - at(b) || (a[0] as number) - (b[0] as number))) {
    const last = packed.at(-1);
    if (last !== undefined && last.length + piece.length <= room) last.push(...piece);
    else packed.push([...piece]);
  }
  return packed.map((group) => group.toSorted((a, b) => a - b));
}

/** Groups with what they need, each after that: the one with the first step comes first where several could. */
function orderGroups(graph: Graph, groups: readonly (readonly number[])[]): Group[] {
  const groupOf = new Map(groups.flatMap((members, group) => members.map((member) => [member, group] as const)));
  const needs = groups.map((members, group) => {
    const found = new Set(
      members.flatMap((member) => graph.preds[member] as readonly number[]).map((pred) => groupOf.get(pred) as number),
    );
    found.delete(group);
    return found;
  });
  const waiting = new Set(groups.keys());
  const byFirst = [...groups.keys()].toSorted((a, b) => (groups[a]?.[0] as number) - (groups[b]?.[0] as number));
  const place = new Map<number, number>();
  while (waiting.size > 0) {
    const before = waiting.size;
    for (const group of byFirst) {
      if (!waiting.has(group) || [...(needs[group] as Set<number>)].some((need) => waiting.has(need))) continue;
      place.set(group, place.size);
      waiting.delete(group);
    }
    if (waiting.size === before) throw new Error("parts wait for each other");
  }
  return [...place.keys()].map((group) => ({
    members: groups[group] as readonly number[],
    needs: [...(needs[group] as Set<number>)].map((need) => place.get(need) as number).toSorted((a, b) => a - b),
  }));
}

function nameGroups(groups: readonly Group[], steps: readonly NestableStep[]): string[] {
  let parts = 0;
  return groups.map(({ members }) =>
    members.length > 1 ? partName(++parts) : (steps[members[0] as number] as NestableStep).id,
  );
}

function longestPath({ preds }: Graph): number {
  const ends: number[] = [];
  for (const own of preds) ends.push(own.reduce((most, pred) => Math.max(most, ends[pred] as number), 0) + 1);
  return ends.reduce((most, end) => Math.max(most, end), 0);
}

function longestNested(graph: Graph, groups: readonly Group[]): number {
  const ends: number[] = [];
  const inner = new Int32Array(graph.preds.length);
  for (const { members, needs } of groups) {
    const start = needs.reduce((most, need) => Math.max(most, ends[need] as number), 0);
    const own = new Set(members);
    let end = start;
    for (const member of members) {
      let from = start;
      for (const pred of graph.preds[member] as readonly number[]) {
        if (own.has(pred)) from = Math.max(from, inner[pred] as number);
      }
      inner[member] = from + 1;
      end = Math.max(end, from + 1);
    }
    ends.push(end);
  }
  return ends.reduce((most, end) => Math.max(most, end), 0);
}

/** Sets of steps that grow together (union-find). */
class Sets {
  private readonly parent: Int32Array;
  private readonly size: Int32Array;
  /** Which filling a step belongs to, so that clearing costs nothing. */
  private readonly filled: Int32Array;
  private filling = 0;

  constructor(count: number) {
    this.parent = new Int32Array(count);
    this.size = new Int32Array(count);
    this.filled = new Int32Array(count);
  }

  clear(): void {
    this.filling++;
  }

  add(step: number): void {
    this.filled[step] = this.filling;
    this.parent[step] = step;
    this.size[step] = 1;
  }

  has(step: number): boolean {
    return this.filled[step] === this.filling;
  }

  find(step: number): number {
    let at = step;
    while (this.parent[at] !== at) {
      this.parent[at] = this.parent[this.parent[at] as number] as number;
      at = this.parent[at] as number;
    }
    return at;
  }

  /** How many steps the set of both then has. */
  join(one: number, other: number): number {
    const [a, b] = [this.find(one), this.find(other)];
    if (a === b) return this.size[a] as number;
    const sum = (this.size[a] as number) + (this.size[b] as number);
    const [small, large] = (this.size[a] as number) < (this.size[b] as number) ? [a, b] : [b, a];
    this.parent[small] = large;
    this.size[large] = sum;
    return sum;
  }
}

/** Times of the steps in a trial run: all one, then exponential ones with mean one from a fixed sequence. */
function durations(count: number, trial: number): Float64Array {
  let state = 0x9e37_79b9 * trial;
  return Float64Array.from({ length: count }, () => {
    if (trial === 0) return 1;
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return -Math.log((state + 1) / 2 ** 32);
  });
}
