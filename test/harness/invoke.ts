import { createClient, type Transport } from "@connectrpc/connect";
import { services } from "../../src/contract.ts";

type Answer = Promise<unknown> | AsyncIterable<unknown>;
type Rpc = (request: object, options: { headers: Record<string, string> }) => Answer;

/** Calls an RPC by its name. @returns its answer, or the first message of its stream */
export async function invoke(
  action: string,
  request: object,
  made: Transport,
  headers: Record<string, string> = {},
): Promise<unknown> {
  const owner = services.find(({ methods }) => methods.some(({ name }) => name === action));
  const client = createClient(owner as never, made) as Record<string, Rpc>;
  const rpc = client[`${action[0]?.toLowerCase()}${action.slice(1)}`];
  if (rpc === undefined) throw new Error(`there is no RPC "${action}"`);
  const answer = rpc(request, { headers });
  if (!(Symbol.asyncIterator in answer)) return answer;
  for await (const message of answer) return message;
  throw new Error(`${action} has sent nothing`);
}
