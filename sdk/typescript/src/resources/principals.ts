import {
  AuthService,
  type Principal as Message,
  PrincipalType,
} from "../../../../gen/pdaas/v1/auth_service_pb.ts";
import type { Caller, CallOptions } from "../caller.ts";
import { type NameOf, nameOf, present } from "./plain.ts";

/** An authenticated caller: a user or a service account. What does not apply to it is empty. */
export interface Principal {
  type: NameOf<typeof PrincipalType>;
  /** `usr_…` or `svc_…` */
  id: string;
  organizationId: string;
  /** The account of a service account. */
  accountId: string;
  name: string;
  email: string;
  /** The API key that signed the call. */
  apiKeyId: string;
  /** The session of the call. */
  sessionId: string;
  /**
   * What the caller may do whatever it is about, sorted; `*` stands for everything. What policies permit
   * with conditions is not among it: see `client.access.listEffectivePermissions`.
   */
  permissions: string[];
}

/** Asks the service who is calling. */
export async function whoAmI(caller: Caller, options?: CallOptions): Promise<Principal> {
  const answer = await caller.call(AuthService.method.whoAmI, {}, options);
  return toPrincipal(present(answer.principal, "the principal"));
}

function toPrincipal(message: Message): Principal {
  return {
    type: nameOf(PrincipalType, message.type),
    id: message.id,
    organizationId: message.organizationId,
    accountId: message.accountId,
    name: message.name,
    email: message.email,
    apiKeyId: message.apiKeyId,
    sessionId: message.sessionId,
    permissions: [...message.permissions],
  };
}
