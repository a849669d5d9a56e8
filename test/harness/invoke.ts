import { createClient, type Transport } from "@connectrpc/connect";
import { services } from "../../src/contract.ts";

type Rpc = (request: object, options: { headers: Record<string, string> }) => Promise<unknown>;

/** Calls an RPC by its name. */
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
  return rpc(request, { headers });
}
