import type { EntityJson, EntityUidJson } from "@cedar-policy/cedar-wasm/nodejs";
import { CedarFault } from "./cedar.ts";
import { cedar, policySets } from "./engine.ts";
import { Scope } from "./scope.ts";
import { type EntityUid, namedActions, type Reads, type Statement } from "./statement.ts";

/** What Cedar is asked. */
export interface Request {
  readonly principal: EntityUid;
  readonly action: EntityUid;
  readonly resource: EntityUid;
  readonly context: Record<string, unknown>;
  /** All that the policies may look at: the three, what they are in, and what they have. */
  readonly entities: EntityJson[];
  /** The name of a prepared schema, by which entities and context are read and checked. */
  readonly schema?: string;
}

/** Cedar's answer. */
export interface Decision {
  readonly permitted: boolean;
  /** The statements that decide: those that forbid, or else those that permit. */
  readonly statements: readonly Statement[];
  /** Statements that could not be evaluated, and so did not count, with the reason. */
  readonly errors: readonly { statement: Statement | undefined; message: string }[];
}

/** What an RPC's answer depends on, and the answer itself once it is known and depends on nothing. */
export interface Plan extends Reads {
  /** The statements that may have a say. */
  readonly statements: readonly Statement[];
  decision: Decision | undefined;
}

let slices = 0;

/** The policies that apply to a principal, also those of its groups, its account and its organization. */
export class PolicySlice {
  /** Unlike that of every other slice. */
  readonly serial = slices++;
  readonly statements: readonly Statement[];
  readonly #plans = new Map<string, Plan>();
  /** Set once Cedar has broken off over these policies: they are not tried again. */
  #isBroken = false;

  constructor(statements: readonly Statement[]) {
    this.statements = statements;
  }

  /** @param groups the permission that an RPC takes */
  planOf(action: string, permission: string): Plan {
    let plan = this.#plans.get(action);
    if (plan === undefined) {
      plan = makePlan(this.statements.filter((s) => mayConcern(s, action, permission)));
      this.#plans.set(action, plan);
    }
    return plan;
  }

  /** @throws Error when Cedar cannot answer: nothing is permitted then */
  decide(request: Request): Decision {
    if (this.#isBroken) throw new CedarFault("these policies have broken Cedar before");
    try {
      return this.#ask(request);
    } catch (error) {
      this.#isBroken ||= error instanceof CedarFault;
      throw error;
    }
  }

  /** Only statements whose scope has the request in it are parsed: most have not. */
  #ask({ schema, ...request }: Request): Decision {
    const scope = new Scope(request);
    const indices = this.statements.flatMap((statement, i) => (scope.isIn(statement) ? [i] : []));
    const asked = indices.map((i) => this.statements[i] as Statement);
    const answer = cedar.call((module) => {
      const name = policySets.get(`${this.serial}:${indices}`, (name) => {
        const staticPolicies = asked.map(({ text }) => text).join("\n");
        const prepared = module.preparsePolicySet(name, { staticPolicies });
        if (prepared.type === "failure") throw new Error(prepared.errors[0]?.message);
      });
      return module.statefulIsAuthorized({
        ...request,
        context: request.context as never,
        preparsedPolicySetId: name,
        ...(schema !== undefined && { preparsedSchemaName: schema, validateRequest: true }),
      });
    });
    if (answer.type === "failure") throw new UnreadableRequest(answer.errors[0]?.message ?? "");
    const { decision, diagnostics } = answer.response;
    // Cedar numbers the statements of a text: policy0, policy1, …
    const statementOf = (id: string) => asked[Number(id.slice("policy".length))];
    return {
      permitted: decision === "allow",
      statements: diagnostics.reason.map((id) => statementOf(id) as Statement),
      errors: diagnostics.errors.map(({ policyId, error }) => ({
        statement: statementOf(policyId),
        message: error.message,
      })),
    };
  }
}

/** Cedar could not read the entities or the context of a request. */
export class UnreadableRequest extends Error {
  override readonly name = "UnreadableRequest";
}

function mayConcern(statement: Statement, action: string, permission: string): boolean {
  const named = namedActions(statement);
  return (
    named?.some(({ type, id }) => type === "Action" && (id === action || id === permission)) ?? true
  );
}

function makePlan(statements: readonly Statement[]): Plan {
  return {
    statements,
    principal: statements.some(({ reads }) => reads.principal),
    resource: statements.some(({ reads }) => reads.resource),
    context: new Set(statements.flatMap(({ reads }) => [...reads.context])),
    decision: undefined,
  };
}

/** An entity with what it is in, as Cedar takes it. */
export function entityOf(
  uid: EntityUid,
  parents: readonly EntityUid[] = [],
  attrs: Record<string, unknown> = {},
  tags: Record<string, string> = {},
): EntityJson {
  return {
    uid: { type: uid.type, id: uid.id } satisfies EntityUidJson,
    attrs: attrs as EntityJson["attrs"],
    parents: parents as EntityUidJson[],
    tags,
  };
}
