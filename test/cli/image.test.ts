import { describe, expect, test } from "bun:test";
import { imageOf } from "../../src/cli/image.ts";
import { isKfkError } from "../../src/error.ts";

/** What `--image TEXT` becomes, or the words of its error. */
function given(text: string | undefined): string | null {
  try {
    return imageOf({ options: { text: () => text, flag: () => undefined, list: () => [] } }, undefined);
  } catch (error) {
    if (!isKfkError(error)) throw error;
    return `${error.code}: ${error.message}`;
  }
}

describe("--image", () => {
  for (const [name, text] of [
    ["a name alone", "shop"],
    ["a registry with a port, and a tag", "registry.example.com:5000/team/shop:1.4"],
    ["a digest", `team/shop@sha256:${"0a".repeat(32)}`],
    ["nothing between the quotes, which is no image", ""],
  ] as const) {
    test(`takes ${name}`, () => expect(given(text)).toBe(text));
  }

  for (const [name, text] of [
    ["a space", "team/shop 1.4"],
    ["a second line", "shop\ncommand: x"],
    ["a URL", "https://registry.example.com/shop"],
    ["large letters after the registry", "team/Shop"],
    ["an option of docker", "--privileged"],
    ["a text that the server would expand", "{{workflow.name}}"],
  ] as const) {
    test(`refuses ${name}`, () => {
      expect(given(text)).toBe(`USAGE_VALUE: --image ${JSON.stringify(text)} is not the name of an image`);
    });
  }

  test("is nothing where it is not given and there is no file", () => expect(given(undefined)).toBeNull());
});
