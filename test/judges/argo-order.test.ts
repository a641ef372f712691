import { describe, expect, test } from "bun:test";
import { expandOrder } from "./argo-order.ts";

interface Given {
  readonly name: string;
  readonly needs?: readonly string[];
  readonly part?: string;
}

function workflow(templates: Readonly<Record<string, readonly Given[]>>): unknown {
  const dags = Object.entries(templates).map(([name, tasks]) => ({
    name,
    dag: {
      tasks: tasks.map(({ name: task, needs = [], part = "step" }) => ({
        name: task,
        template: part,
        dependencies: needs,
      })),
    },
  }));
  return { spec: { entrypoint: "main", templates: [...dags, { name: "step", container: {} }] } };
}

describe("expandOrder", () => {
  const nested = workflow({
    main: [{ name: "a" }, { name: "p", needs: ["a"], part: "p" }, { name: "z", needs: ["p"] }, { name: "free" }],
    p: [{ name: "b" }, { name: "c", needs: ["b"] }, { name: "d" }],
  });

  test("lets a nested DAG wait as a whole and be waited for as a whole", () => {
    const { isBefore, longest, leaves } = expandOrder(nested);
    expect(isBefore("a", "d")).toBe(true);
    expect(isBefore("d", "z")).toBe(true);
    expect(isBefore("b", "c")).toBe(true);
    expect(isBefore("c", "b")).toBe(false);
    expect(isBefore("b", "d")).toBe(false);
    expect(isBefore("a", "free")).toBe(false);
    expect(longest).toBe(4);
    expect(leaves.toSorted()).toEqual(["a", "b", "c", "d", "free", "z"]);
  });

  test("refuses a circle between parts", () => {
    const circle = workflow({
      main: [
        { name: "p", needs: ["q"], part: "p" },
        { name: "q", needs: ["p"], part: "q" },
      ],
      p: [{ name: "a" }],
      q: [{ name: "b" }],
    });
    expect(() => expandOrder(circle)).toThrow("tasks wait for each other");
  });

  test("refuses one name for two tasks", () => {
    const twice = workflow({ main: [{ name: "a" }, { name: "p", part: "p" }], p: [{ name: "a" }] });
    expect(() => expandOrder(twice)).toThrow("two tasks are called a");
  });
});
