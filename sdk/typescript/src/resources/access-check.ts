import type { JsonObject } from "@bufbuild/protobuf";
import type {
  Entity as EntityMessage,
  AccessCheck as Message,
} from "../../../../gen/pdaas/v1/access_service_pb.ts";
import { filled, present } from "./plain.ts";

/** Names something that policies speak of. */
export interface EntityReference {
  /** Such as `ServiceAccount`, or `Shop::Invoice` of an application. */
  type: string;
  id: string;
}

/**
 * What a Cedar attribute may be, as a plain value: numbers are whole, a Date is a `datetime`, and texts
 * also stand for `decimal`, `ipaddr` and `duration`, as the schema declares them.
 */
export type AttributeValue =
  | string
  | number
  | boolean
  | Date
  | readonly AttributeValue[]
  | Attributes;

/** Attributes by their names. What is undefined is left out. */
export interface Attributes {
  readonly [name: string]: AttributeValue | undefined;
}

/** A resource of an application. */
export interface Entity extends EntityReference {
  /** As the schema of the application declares them. */
  attributes?: Attributes | undefined;
  /** What it is in. */
  parents?: readonly EntityReference[] | undefined;
}

/** A question: may this be done? */
export interface AccessCheck {
  /** Who would call, `usr_…` or `svc_…`. */
  principalId: string;
  /** The key that would sign the call, `key_…`, if it narrows what the principal may do. */
  apiKeyId?: string | undefined;
  /** An RPC such as `IssueApiKey`, or an application's action such as `Shop::Action::"refund"`. */
  action: string;
  /**
   * What it would be done to; the organization when absent. What belongs to the service is looked up by
   * its identifier; an application's resource is given here with all that policies look at.
   */
  resource?: Entity | undefined;
  /** Other resources of the application that matter, such as what the resource is in. */
  entities?: readonly Entity[] | undefined;
  /** The context of an application's action, as its schema declares it. */
  context?: Attributes | undefined;
  /** The address that the call would come from; not known when absent. */
  address?: string | undefined;
}

/** A check as the contract has it. */
export function checkOf(check: AccessCheck) {
  const { principalId, apiKeyId = "", action, resource, context, address = "" } = check;
  const isDescribed = resource?.attributes !== undefined || resource?.parents !== undefined;
  const entities = [...(isDescribed ? [resource] : []), ...(check.entities ?? [])];
  return {
    principalId,
    apiKeyId,
    action,
    resource: resource && referenceOf(resource),
    entities: entities.map(entityOf),
    context: context && jsonOf(context),
    address,
  };
}

function entityOf(entity: Entity) {
  const { attributes = {}, parents = [] } = entity;
  return {
    reference: referenceOf(entity),
    attributes: jsonOf(attributes),
    parents: parents.map(referenceOf),
  };
}

function referenceOf({ type, id }: EntityReference): EntityReference {
  return { type, id };
}

/** Attributes as they are sent: Dates are texts, and what is undefined is not there. */
function jsonOf(attributes: Attributes): JsonObject {
  return JSON.parse(JSON.stringify(attributes));
}

/** A check that the service tells of. */
export function toCheck(message: Message): AccessCheck {
  return {
    principalId: message.principalId,
    apiKeyId: filled(message.apiKeyId),
    action: message.action,
    resource: message.resource && referenceOf(message.resource),
    entities: message.entities.map(toEntity),
    context: message.context as Attributes | undefined,
    address: filled(message.address),
  };
}

function toEntity({ reference, attributes, parents }: EntityMessage): Entity {
  return {
    ...referenceOf(present(reference, "the reference")),
    attributes: attributes as Attributes | undefined,
    parents: parents.map(referenceOf),
  };
}
