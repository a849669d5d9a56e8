import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { invalidFields } from "../errors.ts";

// RE2 guards against patterns that take exponential time. Ours come from the contract, not from a
// caller, so the platform's engine, which is far faster, serves as well.
const patterns = new Map<string, RegExp>();
const validator = createValidator({ regexMatch: (pattern, text) => compiled(pattern).test(text) });

/**
 * Holds a request to the rules of the contract.
 * @throws ServiceError FIELD_INVALID with every field that breaks one
 */
export function validate<Desc extends DescMessage>(desc: Desc, message: MessageShape<Desc>): void {
  if (desc.fields.length === 0) return;
  const result = validator.validate(desc, message);
  if (result.kind === "valid") return;
  if (result.kind === "error") throw result.error;
  throw invalidFields(
    result.violations.map((violation) => ({
      field: pathToString(violation.field),
      description: violation.message,
    })),
  );
}

function compiled(pattern: string): RegExp {
  let regExp = patterns.get(pattern);
  if (regExp === undefined) {
    regExp = new RegExp(pattern, "u");
    patterns.set(pattern, regExp);
  }
  return regExp;
}
