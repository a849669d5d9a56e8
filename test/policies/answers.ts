import { createClient } from "@connectrpc/connect";
import { AccessService } from "../../gen/pdaas/v1/access_service_pb.ts";
import { type Method, methods } from "../../src/contract.ts";
import { resourceTypesOf } from "../../src/iam/schema.ts";
import { refusalIfAny } from "../harness/clients.ts";
import { invoke } from "../harness/invoke.ts";
import type { Call, Question } from "./scenario.ts";
import type { Stage } from "./stage.ts";

/**
 * How the service answers, each by the way in which it was asked; true for what is permitted.
 * @param turn of the transports, of which one or the other is taken
 */
export async function answersTo(
  stage: Stage,
  asked: Call | Question,
  turn: number,
): Promise<Record<string, boolean>> {
  if ("action" in asked) return { Authorize: await askApplication(stage, asked) };
  const call = await makeCall(stage, asked, turn);
  // What takes no permission is no question of access.
  if (methodOf(asked).access.permission === "") return { call };
  return { call, Authorize: await askService(stage, asked) };
}

/**
 * Makes a call that names what it is about, and nothing else. Policies are asked before the request is
 * looked at. So a call was permitted if it is carried out, and as well if its request is found wanting, or
 * what it is about is not there; it was refused if a permission is missing. Nothing else is an answer.
 */
async function makeCall({ names, callers }: Stage, asked: Call, turn: number): Promise<boolean> {
  const { type, id } = names.entity(asked.resource);
  const transports = callers.get(asked.principal)?.transports ?? [];
  const made = transports[turn % transports.length];
  if (made === undefined) throw new Error(`"${asked.principal}" is no principal`);
  const headers = { "x-forwarded-for": asked.address };
  const call = invoke(asked.rpc, requestAbout(methodOf(asked), type, id), made, headers);
  const refusal = await refusalIfAny(call);
  if (refusal === undefined) return true;
  const { reason, message } = refusal;
  if (reason === "PERMISSION_MISSING") return false;
  if (reason === "FIELD_INVALID" || reason === "RESOURCE_NOT_FOUND") return true;
  throw new Error(`${asked.rpc} was answered ${reason}: ${message}`);
}

function requestAbout(method: Method, type: string, id: string): object {
  const { judgedBy } = method;
  if (!resourceTypesOf(method).includes(type)) {
    throw new Error(`${method.action} is not about a thing of type ${type}`);
  }
  const isOfAll = judgedBy === undefined || (judgedBy.isOptional && type === "Organization");
  return isOfAll ? {} : { [judgedBy.field]: id };
}

async function askService(stage: Stage, { principal, rpc, resource, address }: Call) {
  return ask(stage, principal, {
    action: rpc,
    resource: stage.names.entity(resource),
    address: address === "unknown" ? "" : address,
  });
}

async function askApplication(stage: Stage, { principal, ...question }: Question) {
  return ask(stage, principal, question);
}

/** Asks as the administrator about the calls of another. */
async function ask(stage: Stage, principal: string, question: object): Promise<boolean> {
  const client = createClient(AccessService, stage.admin);
  const check = {
    ...question,
    principalId: stage.names.id(principal),
    apiKeyId: stage.callers.get(principal)?.apiKeyId ?? "",
  };
  const { decision } = await client.authorize({ check });
  if (decision === undefined) throw new Error("there is no decision");
  return decision.permitted;
}

function methodOf({ rpc }: Call): Method {
  const method = methods.values().find(({ action }) => action === rpc);
  if (method === undefined) throw new Error(`there is no RPC "${rpc}"`);
  return method;
}
