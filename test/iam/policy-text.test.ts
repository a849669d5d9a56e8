import { describe, expect, test } from "vitest";
import { ServiceError } from "../../src/errors.ts";
import { ensureValidPolicy, faultsOf } from "../../src/iam/policy-text.ts";
import { contractSchema } from "../../src/iam/schema.ts";

const faults = (text: string) => faultsOf(text, contractSchema);
const permit = (condition: string) => `permit (principal, action, resource) when { ${condition} };`;
const getting = 'permit (principal, action == Action::"GetAcount", resource);';

describe("what is wrong with a policy, where, and how to mend it:", () => {
  test.each([
    ["an action", getting, "line 1, column 30: ", 'did you mean `Action::"GetAccount"`?'],
    [
      "a type of principal",
      "permit (principal is Usr, action, resource);",
      "line 1, column 22: ",
      "did you mean `User`?",
    ],
    [
      "a type in a condition",
      permit('resource in Acount::"acc-1"'),
      "line 1, column 57: ",
      "did you mean `Account`?",
    ],
    [
      "an attribute of the context",
      permit('context.autentication == "session"'),
      "line 1, column 45: ",
      "did you mean `authentication`?",
    ],
    [
      "an attribute that may be missing",
      permit("context.address.isIpv6()"),
      "line 1, column 45: ",
      "context has address",
    ],
    ["a name, which nothing has", permit('principal.name == "Ada"'), "line 1, column 45: ", "name"],
    ["types that do not fit", permit("context.requestId == 1"), "line 1, column 45: ", "String"],
    [
      "a statement that is not ended",
      "permit (principal, action, resource)",
      "line 1, column 37: ",
      ";",
    ],
    ["a word", "permt (principal, action, resource);", "line 1, column 1: ", "permit"],
    [
      "a network",
      permit('context has address && context.address.isInRange(ip("10.0.0.0/33"))'),
      "line 1, column ",
      "10.0.0.0/33",
    ],
  ])("%s", (_, text, place, hint) => {
    const [first = ""] = faults(text);
    expect(first).toContain(place);
    expect(first).toContain(hint);
  });

  test.each([
    ["on another line", `// Reads\n\n  ${getting}`, "line 3, column 32: "],
    [
      "after characters of two bytes",
      `// äöü\n/* é */ ${getting}`.replace("/* é */", '@id("é")'),
      "line 2, column ",
    ],
    ["after characters of three bytes", `@id("漢字")${getting}`, "line 1, column 39: "],
    ["after characters of four bytes", `@id("😀")${getting}`, "line 1, column 39: "],
    ["after the lines of another system", `// a\r\n// b\r\n${getting}`, "line 3, column 30: "],
  ])("%s", (_, text, place) => {
    expect(faults(text)[0]).toContain(place);
  });

  test("all of it, in the order of the text", () => {
    const text = [
      getting,
      "forbid (principal is Usr, action, resource);",
      'permit (principal, action, resource in Grup::"grp_1");',
    ].join("\n");
    expect(faults(text).map((fault) => fault.slice(0, 6))).toEqual(["line 1", "line 2", "line 3"]);
  });

  test("each thing once, so that none hides another", () => {
    const text = `${permit("context.address.isIpv6()")}\n${permit('context.autentication == ""')}`;
    const places = faults(text).map((fault) => /line \d+, column \d+/.exec(fault)?.[0]);
    expect(new Set(places)).toEqual(new Set(["line 1, column 45", "line 2, column 45"]));
    expect(places.length).toBeLessThan(10);
    const refusal = refusalOf(text);
    expect(refusal.message).toContain("line 1, column 45");
    expect(refusal.message).toContain("line 2, column 45");
  });
});

function refusalOf(text: string): ServiceError {
  try {
    ensureValidPolicy(text, contractSchema, "text");
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
  throw new Error("the policy is valid");
}

test.each([
  ["nothing", "", "permit or forbid"],
  ["blanks", " \n\t ", "permit or forbid"],
  ["a comment", "// permit (principal, action, resource);", "permit or forbid"],
  ["a template", "permit (principal == ?principal, action, resource);", "template"],
  [
    "what never applies, as a permission is no action itself",
    'permit (principal, action == Action::"Accounts.read", resource);',
    "unable to find an applicable action",
  ],
  [
    "what never applies, as no such resource is judged",
    'permit (principal, action == Action::"GetAccount", resource is User);',
    "unable to find an applicable action",
  ],
  ["what never applies, by its condition", permit("false"), "impossible"],
  ["what never applies, by its types", permit("principal is Account"), "impossible"],
  [
    "an application's action that is not declared",
    'permit (principal, action == Shop::Action::"x", resource);',
    "Shop",
  ],
])("a policy is not %s", (_, text, hint) => {
  expect(faults(text).join("; ")).toContain(hint);
  expect(refusalOf(text)).toMatchObject({ reason: "FIELD_INVALID" });
});

test.each([
  ["one statement", "permit (principal, action, resource);"],
  [
    "several, with comments and other languages",
    `// 한국어\npermit (principal, action, resource);\n// ελληνικά\nforbid (principal, action, resource) when { context.requestId == "ä" };`,
  ],
  ["annotated", '@id("first")\n@reason("because")\npermit (principal, action, resource);'],
  ["guarded", permit('context has address && context.address.isInRange(ip("::1/128"))')],
  [
    "a condition on labels",
    permit('context has apiKey && context.apiKey.hasTag("a") && context.apiKey.getTag("a") == "b"'),
  ],
])("a policy may be %s", (_, text) => {
  expect(faults(text)).toEqual([]);
});
