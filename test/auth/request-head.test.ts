import fc from "fast-check";
import { expect, test } from "vitest";
import { withoutOuterSpace } from "../../src/auth/request-head.ts";

test("a value loses the spaces and tabs around it, and nothing else", () => {
  const text = fc.string({ unit: fc.constantFrom(" ", "\t", "\n", "\u00a0", "a", "b") });
  fc.assert(
    fc.property(text, (value) => {
      expect(withoutOuterSpace(value)).toBe(value.replaceAll(/^[\t ]+|[\t ]+$/g, ""));
    }),
  );
});
