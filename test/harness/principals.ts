import { createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { signingInterceptor } from "pdaas";
import { ApiKeyService } from "../../gen/pdaas/v1/api_key_service_pb.ts";
import { AuthService } from "../../gen/pdaas/v1/auth_service_pb.ts";
import { ServiceAccountService } from "../../gen/pdaas/v1/service_account_service_pb.ts";
import { UserService } from "../../gen/pdaas/v1/user_service_pb.ts";
import { transport, withHeaders } from "./clients.ts";
import type { administrator, TestService } from "./service.ts";

/** Somebody who calls. */
export interface TestPrincipal {
  /** `usr_…` or `svc_…` */
  readonly id: string;
  /** Empty for a user. */
  readonly apiKeyId: string;
  /** Proves in each call who it is. */
  readonly credentials: Interceptor;
}

interface Wanted {
  name: string;
  permissions?: string[];
}

interface WantedServiceAccount extends Wanted {
  accountId: string;
  key?: { permissionLimit?: string[] | undefined; labels: Record<string, string> } | undefined;
}

const connect = "connect-node Connect JSON";
const password = "a long enough password";

/** A session of somebody who has a password. */
export async function logIn(
  service: TestService,
  login: typeof administrator,
): Promise<Interceptor> {
  const { tokens } = await createClient(AuthService, transport(connect, service)).login(login);
  return withHeaders({ authorization: `Bearer ${tokens?.accessToken}` });
}

/** A user with a session. @param admin makes it */
export async function newUser(
  service: TestService,
  admin: Transport,
  wanted: Wanted,
): Promise<TestPrincipal> {
  const users = createClient(UserService, admin);
  const { user } = await users.createUser({ ...wanted, email: `${wanted.name}@myorg.example` });
  const userId = user?.id ?? "";
  const { invitationToken } = await users.inviteUser({ userId });
  const guest = createClient(AuthService, transport(connect, service));
  const login = await guest.acceptInvitation({ invitationToken, password });
  return { id: userId, apiKeyId: "", credentials: await logIn(service, { ...login, password }) };
}

/** A service account with a key. @param admin makes it */
export async function newServiceAccount(
  admin: Transport,
  { key = { labels: {} }, ...wanted }: WantedServiceAccount,
): Promise<TestPrincipal> {
  const accounts = createClient(ServiceAccountService, admin);
  const { serviceAccount } = await accounts.createServiceAccount(wanted);
  const { permissionLimit, labels } = key;
  const issued = await createClient(ApiKeyService, admin).issueApiKey({
    serviceAccountId: serviceAccount?.id ?? "",
    labels,
    ...(permissionLimit && { permissionLimit: { permissions: permissionLimit } }),
  });
  const { id: apiKeyId = "", accessKey = "" } = issued.apiKey ?? {};
  return {
    id: serviceAccount?.id ?? "",
    apiKeyId,
    credentials: signingInterceptor({ accessKey, secretKey: issued.secretKey }),
  };
}
