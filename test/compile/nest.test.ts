import { describe, expect, test } from "bun:test";
import { type NestableStep, nestSteps } from "../../src/compile/nest.ts";
import { expandOrder } from "../judges/argo-order.ts";

const LIMITS = { tasks: 4, parts: 4 };

/** `b: a` → step b that needs a. */
function steps(text: string): NestableStep[] {
  return text.split("; ").map((line) => {
    const [id = "", needs = ""] = line.split(":");
    return { id, needs: needs.split(" ").filter((need) => need !== "") };
  });
}

/** `part-1(a b) c:part-1` */
function show(given: readonly NestableStep[], limits = LIMITS): string | undefined {
  return nestSteps(given, limits)
    ?.items.map(({ name, needs, steps: own }) => {
      const inside = own.length > 1 ? `(${own.map(({ id }) => id).join(" ")})` : "";
      return `${name}${inside}${needs.length > 0 ? `:${needs.join(",")}` : ""}`;
    })
    .join(" ");
}

describe("nestSteps", () => {
  test.each([
    ["leaves what fits as it is", "a; b:a; c:a; d:b c", "a b:a c:a d:b,c"],
    ["cuts a chain", "a; b:a; c:b; d:c; e:d; f:e", "part-1(a b) part-2(c d e f):part-1"],
    ["keeps chains apart", "a; b; c:a; d:b; e:c; f:d", "part-1(a c e) part-2(b d f)"],
    ["leaves a source of many chains alone", "s; a:s; b:s; c:a; d:b; e:c; f:d", "s part-1(a c e):s part-2(b d f):s"],
    ["puts free steps together when there are too many", "a; b; c; d; e; f", "part-1(a b) part-2(c d) part-3(e f)"],
    [
      "cuts where a single step holds all others up",
      "a; b; c:a b; d:c; e:c; f:d e; g:f",
      "part-1(a b c) part-2(d e f g):part-1",
    ],
  ])("%s", (_, given, wanted) => {
    expect(show(steps(given))).toBe(wanted);
  });

  test("says how many parts there are and how long the longest chain is", () => {
    const { parts, path } = nestSteps(steps("a; b:a; c:b; d:c; e:d; f:e"), LIMITS) ?? {};
    expect({ parts, path }).toEqual({ parts: 2, path: { flat: 6, nested: 6 } });
  });

  test("refuses what the limits do not hold", () => {
    const chain = Array.from({ length: 40 }, (_, index) => ({
      id: `s${index}`,
      needs: index > 0 ? [`s${index - 1}`] : [],
    }));
    expect(nestSteps(chain, LIMITS)).toBeUndefined();
  });

  test("refuses steps that come before what they need, which is a bug of the caller", () => {
    expect(() => nestSteps(steps("a:b; b"), LIMITS)).toThrow("step a comes before b");
  });
});

describe("nestSteps on 500 random layered graphs", () => {
  const limits = { tasks: 190, parts: 180 };
  const results = Array.from({ length: 500 }, (_, seed) => {
    const graph = layeredGraph(seed);
    const nesting = nestSteps(graph, limits);
    if (nesting === undefined) throw new Error(`graph ${seed} of ${graph.length} steps does not fit`);
    const parts = nesting.items.filter((item) => item.steps.length > 1);
    const workflow = {
      spec: {
        entrypoint: "main",
        templates: [
          dag(
            "main",
            nesting.items.map(({ name, needs, steps: own }) => [name, own.length > 1 ? name : "step", needs]),
          ),
          ...parts.map(({ name, steps: own }) => {
            const inside = new Set(own.map(({ id }) => id));
            return dag(
              name,
              own.map(({ id, needs }) => [id, "step", needs.filter((need) => inside.has(need))]),
            );
          }),
        ],
      },
    };
    return { graph, nesting, parts: parts.length, order: expandOrder(workflow) };
  });

  test("runs every step once and loses no dependency", () => {
    for (const { graph, order } of results) {
      expect(order.leaves.toSorted()).toEqual(graph.map(({ id }) => id).toSorted());
      const lost = graph.flatMap(({ id, needs }) => needs.filter((need) => !order.isBefore(need, id)));
      expect(lost).toEqual([]);
    }
  });

  test("keeps the limits", () => {
    for (const { nesting, parts } of results) {
      expect(nesting.items.length).toBeLessThanOrEqual(limits.tasks);
      expect(parts).toBeLessThanOrEqual(limits.parts);
      expect(nesting.parts).toBe(parts);
      for (const { steps: own } of nesting.items) expect(own.length).toBeLessThanOrEqual(limits.tasks);
    }
  });

  test("makes the longest chain of steps no longer", () => {
    for (const { nesting, order } of results) {
      expect(nesting.path).toEqual({ flat: nesting.path.flat, nested: nesting.path.flat });
      expect(order.longest).toBe(nesting.path.flat);
    }
  });

  test("gives the same parts for the same steps", () => {
    for (const { graph, nesting } of results.slice(0, 20)) expect(nestSteps(graph, limits)).toEqual(nesting);
  });
});

function dag(name: string, tasks: readonly (readonly [string, string, readonly string[]])[]): object {
  return {
    name,
    dag: { tasks: tasks.map(([task, template, dependencies]) => ({ name: task, template, dependencies })) },
  };
}

/** 20 to 1,200 steps in layers of about 3 to 300; up to four needs each, some of them from layers far before. */
function layeredGraph(seed: number): NestableStep[] {
  const random = randomNumbers(seed);
  const count = 20 + Math.floor(random() * (seed % 10 === 0 ? 1180 : 480));
  const width = [3, 8, 20, 50, 120, 300][seed % 6] as number;
  const most = 1 + Math.floor(random() * 4);
  const skips = random() < 0.5 ? 0 : 0.3;
  const made: NestableStep[] = [];
  const layers: string[][] = [];
  while (made.length < count) {
    const layer: string[] = [];
    const own = Math.max(1, Math.floor(width * (0.5 + random())));
    for (let index = 0; index < own && made.length < count; index++) {
      const needs = new Set<string>();
      for (let need = Math.floor(random() * (most + 1)); need > 0 && layers.length > 0; need--) {
        const from = layers[random() < skips ? Math.floor(random() * layers.length) : layers.length - 1] as string[];
        needs.add(from[Math.floor(random() * from.length)] as string);
      }
      const id = `s${made.length}`;
      made.push({ id, needs: [...needs] });
      layer.push(id);
    }
    layers.push(layer);
  }
  return made;
}

function randomNumbers(seed: number): () => number {
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
