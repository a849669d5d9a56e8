import { cancelled, type ServiceError } from "../errors.ts";
import type { Call } from "../rpc/call.ts";
import { asServiceError } from "../store/errors.ts";

/** Why a call's answer is not waited for any more: its deadline has passed, or its caller is gone. */
export function abandoned(call: Call): ServiceError {
  try {
    call.ensureLive();
  } catch (error) {
    return asServiceError(error);
  }
  return cancelled();
}
