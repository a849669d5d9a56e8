import type { FieldMask } from "@bufbuild/protobuf/wkt";
import { Code, ServiceError } from "../errors.ts";

/**
 * The fields that an update mask names. One that names anything else is refused whole.
 * @param allowed the fields that can be changed, as the contract has them
 * @throws ServiceError FIELD_MASK_INVALID
 */
export function maskedFields<Field extends string>(
  mask: FieldMask | undefined,
  allowed: readonly Field[],
): ReadonlySet<Field> {
  const paths = mask?.paths ?? [];
  const unknown = paths.filter((path) => !(allowed as readonly string[]).includes(path));
  if (paths.length > 0 && unknown.length === 0) return new Set(paths as Field[]);
  const what = paths.length === 0 ? "is empty" : `names ${unknown.join(", ")}`;
  throw new ServiceError(
    Code.invalidArgument,
    "FIELD_MASK_INVALID",
    `The update mask ${what}. It must name one or more of ${allowed.join(", ")}.`,
  );
}
