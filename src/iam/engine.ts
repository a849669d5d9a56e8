import { Cedar, PreparedNames } from "./cedar.ts";

/** How many sets of policies are kept prepared. */
const maxPolicySets = 1_000;
/** How many schemas are. */
const maxSchemas = 100;

/** Answers all questions of access. Only texts that were found valid reach it. */
export const cedar = new Cedar(() => {
  policySets.clear();
  schemas.clear();
});
export const policySets = new PreparedNames("p", maxPolicySets);
export const schemas = new PreparedNames("s", maxSchemas);

/** Looks at texts that anybody may have written: what breaks it breaks nothing else. */
export const scratch = new Cedar();
