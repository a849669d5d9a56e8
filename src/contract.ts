import { type DescMethod, type DescMethodUnary, getOption } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { type Access, access, type Caller } from "../gen/pdaas/v1/access_pb.ts";
import { AccountService } from "../gen/pdaas/v1/account_service_pb.ts";
import { AllowlistService } from "../gen/pdaas/v1/allowlist_service_pb.ts";
import { ApiKeyService } from "../gen/pdaas/v1/api_key_service_pb.ts";
import { AuditService } from "../gen/pdaas/v1/audit_service_pb.ts";
import { AuthService } from "../gen/pdaas/v1/auth_service_pb.ts";
import { OrganizationService } from "../gen/pdaas/v1/organization_service_pb.ts";
import { ServiceAccountService } from "../gen/pdaas/v1/service_account_service_pb.ts";

/** Every service of the contract. */
export const services = [
  AuthService,
  OrganizationService,
  AccountService,
  ServiceAccountService,
  ApiKeyService,
  AllowlistService,
  AuditService,
] as const;

/** One RPC and what its contract says of it. */
export interface Method {
  /** The RPC's name, which is also the name of the action in policies and in the audit log. */
  readonly action: string;
  /** `/pdaas.v1.ServiceAccountService/CreateServiceAccount` */
  readonly path: string;
  readonly desc: DescMethodUnary;
  readonly access: Access;
  readonly callers: ReadonlySet<Caller>;
  /** Local name of the request field that names the resource. */
  readonly resourceField: string | undefined;
  /** Whether the call changes nothing, so that only its refusal is recorded. */
  readonly isRead: boolean;
}

/** Every RPC of the contract by its path. */
export const methods: ReadonlyMap<string, Method> = new Map(
  services
    .flatMap((service) => service.methods.map((desc) => describe(desc)))
    .map((m) => [m.path, m]),
);

/** Every permission that an RPC takes, and `*` for all of them. */
export const permissions: ReadonlySet<string> = new Set([
  "*",
  ...[...methods.values()].map((m) => m.access.permission).filter((p) => p !== ""),
]);

/** What the contract says of an RPC. */
export function methodOf(desc: DescMethod): Method {
  const method = methods.get(`/${desc.parent.typeName}/${desc.name}`);
  if (method === undefined) throw new Error(`${desc.name} is of no service in the contract's list`);
  return method;
}

function describe(desc: DescMethod): Method {
  if (desc.methodKind !== "unary") {
    throw new Error(`${desc.name} is ${desc.methodKind}; only unary RPCs are served so far`);
  }
  const rule = getOption(desc, access);
  return {
    action: desc.name,
    path: `/${desc.parent.typeName}/${desc.name}`,
    desc: desc as DescMethodUnary,
    access: rule,
    callers: new Set(rule.callers),
    resourceField: desc.input.fields.find((f) => f.name === rule.resourceField)?.localName,
    isRead: desc.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
  };
}
