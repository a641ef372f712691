import { describe, expect, test } from "bun:test";
import { formatRunName } from "../../src/config/run-name.ts";

const VALUES = new Map([
  ["rate", "0.3"],
  ["date", "{rate}"],
]);

describe("formatRunName", () => {
  test.each([
    ["a parameter", "shop {rate}", "shop 0.3"],
    ["twice", "{rate}{rate}", "0.30.3"],
    ["a value is not looked at again", "{date}", "{rate}"],
    ["an unknown name stays", "{other}", "{other}"],
    ["braces alone stay", "a { b } c {} }{", "a { b } c {} }{"],
    ["doubled braces are one", "{{rate}} {{rate", "{rate} {{rate"],
    ["a format stays", "{rate:.2f}", "{rate:.2f}"],
    ["no braces", "shop", "shop"],
  ])("%s", (_, template, want) => expect(formatRunName(template, VALUES)).toBe(want));
});
