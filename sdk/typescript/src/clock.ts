import type { Credentials } from "./caller.ts";
import type { PdaasError } from "./errors.ts";

/** A clock that can be set by the service's. The credentials of a signing client: they need the time only. */
export class SigningClock implements Credentials {
  #offsetSeconds = 0;

  /** The service's time, as far as it is known, in Unix seconds. */
  now(): number {
    return Date.now() / 1000 + this.#offsetSeconds;
  }

  async headers(): Promise<Record<string, string>> {
    return {};
  }

  /** Takes over the service's time when it has refused a signature for its time. */
  async recover({ reason, metadata }: PdaasError): Promise<boolean> {
    if (reason !== "SIGNATURE_EXPIRED" && reason !== "SIGNATURE_NOT_YET_VALID") return false;
    const { server_time: serverTime } = metadata;
    if (serverTime === undefined || !/^\d{1,12}(?:\.\d+)?$/.test(serverTime)) return false;
    this.#offsetSeconds = Number(serverTime) - Date.now() / 1000;
    return true;
  }
}
