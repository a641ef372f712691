/**
 * Creating what has a unique name (pipelines, versions, experiments): one thing in the end, however often the answer
 * is lost. Runs have no unique name and rules of their own (`runs.ts`).
 */
import { isDuplicate, mayHaveActed } from "./answer.ts";
import { type Ask, failedRequest, type Link, request, type Result } from "./request.ts";

export interface Creation<T> {
  readonly value: T;
  /** False when it was there already, made by somebody else meanwhile. */
  readonly created: boolean;
}

/**
 * Sends a creating request; looks before every repeat.
 *
 * `read`: the created thing from a good answer. `find`: the thing by its name, undefined when there is none.
 * Errors: those of `failedRequest`; what `find` throws. `taken` names the error when the server says that the name is
 * in use and `find` does not see it.
 */
export async function createOnce<T>(
  link: Link,
  ask: Ask,
  read: (result: Result) => T,
  find: () => Promise<T | undefined>,
  taken: (result: Result) => Error,
): Promise<Creation<T>> {
  for (let tries = 1; ; tries++) {
    const result = await request(link, { ...ask, repeat: "unsent" });
    if (result.answer.kind === "ok") return { value: read(result), created: true };
    if (isDuplicate(result.answer)) {
      const found = await find();
      if (found === undefined) throw taken(result);
      // after a lost answer the thing found is most likely our own
      return { value: found, created: tries > 1 };
    }
    const said = result.answer.kind === "failed" && result.answer.said;
    if (!mayHaveActed(result.answer) || said) throw failedRequest(result);
    const found = await find();
    if (found !== undefined) return { value: found, created: true };
    if (tries >= MOST_TRIES) throw failedRequest(result);
    await link.world.clock.sleep(PAUSE_MS * tries, link.signal);
  }
}

// --- internal ---

const MOST_TRIES = 3;
const PAUSE_MS = 2000;
