import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestService } from "../harness/service.ts";
import { answersTo } from "./answers.ts";
import { type Expectations, readScenarios } from "./scenario.ts";
import { type Stage, setUp, takeAway } from "./stage.ts";

// Each scenario is run with users and with service accounts, which must be answered the same, by real calls
// and by AccessService.Authorize. answers.ts says what counts as an answer, and scenario.ts what a file may say.

let service: TestService;

beforeAll(async () => {
  // Takes the address that a call names for that which it comes from.
  service = await TestService.start({ PDAAS_TRUSTED_PROXIES: "127.0.0.1/32" });
});
afterAll(() => service[Symbol.asyncDispose]());

describe.each(Object.entries(readScenarios()))("%s", (_, scenarios) => {
  const runs = scenarios.flatMap((scenario) =>
    scenario.kinds.map((kind) => [scenario.description, kind, scenario] as const),
  );
  test.concurrent.each(runs)("%s (%s)", async (_, kind, scenario) => {
    const stage = await setUp(service, scenario, kind);
    expect(await wrongAnswers(stage, scenario)).toEqual([]);
    const { afterwards } = scenario;
    if (afterwards === undefined) return;
    await takeAway(stage, afterwards);
    expect(await wrongAnswers(stage, afterwards)).toEqual([]);
  });
});

async function wrongAnswers(
  stage: Stage,
  { assertTrue, assertFalse }: Expectations,
): Promise<string[]> {
  const expected = [
    ...assertTrue.map((asked) => [asked, true] as const),
    ...assertFalse.map((asked) => [asked, false] as const),
  ];
  const wrong = expected.map(async ([asked, permitted], i) => {
    const answers = Object.entries(await answersTo(stage, asked, i));
    return answers
      .filter(([, answer]) => answer !== permitted)
      .map(
        ([way]) => `${JSON.stringify(asked)} is ${permitted ? "refused" : "permitted"} (${way})`,
      );
  });
  return (await Promise.all(wrong)).flat();
}
