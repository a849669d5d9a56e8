import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { SessionTokensSchema } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import { newRefreshToken, refreshTokenHash } from "../../auth/refresh-tokens.ts";
import type { Transaction } from "../../store/database.ts";
import { insertRefreshToken } from "../../store/sessions.ts";
import type { App } from "../app.ts";

/** The next tokens of a session; the refresh token's hash is stored in the transaction. */
export async function issueTokens(
  app: App,
  tx: Transaction,
  session: { id: string; userId: string; expireTime: Date },
): Promise<MessageInitShape<typeof SessionTokensSchema>> {
  const refreshToken = newRefreshToken();
  await insertRefreshToken(tx, refreshTokenHash(refreshToken), session.id);
  const access = await app.accessTokens.issue({ userId: session.userId, sessionId: session.id });
  return {
    accessToken: access.token,
    accessTokenExpireTime: timestampFromDate(access.expireTime),
    refreshToken,
    refreshTokenExpireTime: timestampFromDate(session.expireTime),
  };
}
