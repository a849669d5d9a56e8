import type { webcrypto } from "node:crypto";
import { exportJWK, generateKeyPair, importJWK, type JWK, jwtVerify, SignJWT } from "jose";
import { Code, ServiceError } from "../errors.ts";
import { randomBase62 } from "../ids.ts";
import type { Database } from "../store/database.ts";
import { insertFirstTokenKey, listTokenKeys, type TokenKeyRow } from "../store/sessions.ts";
import { type MasterKey, seal, tokenKeyContext, unseal } from "./sealing.ts";

export const accessTokenSeconds = 15 * 60;
const issuer = "pdaas";

interface TokenKey {
  id: string;
  publicJwk: JWK;
  publicKey: webcrypto.CryptoKey;
  privateKey: webcrypto.CryptoKey;
}

/** What an access token says: whose it is, and which session's. */
export interface AccessTokenClaims {
  userId: string;
  sessionId: string;
}

/** Signs and verifies access tokens: JWTs (RFC 7519) with EdDSA over Ed25519 (RFC 8037). */
export class AccessTokens {
  readonly #keys: TokenKey[];

  private constructor(keys: TokenKey[]) {
    this.#keys = keys;
  }

  /** Loads the keys, which all replicas share; the first start makes one. */
  static async open(db: Database, masterKey: MasterKey): Promise<AccessTokens> {
    let rows = await listTokenKeys(db);
    if (rows.length === 0) {
      await insertFirstTokenKey(db, await newTokenKey(masterKey));
      rows = await listTokenKeys(db);
    }
    return new AccessTokens(await Promise.all(rows.map((row) => openTokenKey(row, masterKey))));
  }

  /** The public keys, as RFC 7517 has them. */
  get jwks(): { keys: JWK[] } {
    return { keys: this.#keys.map((key) => key.publicJwk) };
  }

  async issue(claims: AccessTokenClaims): Promise<{ token: string; expireTime: Date }> {
    const key = this.#keys[0] as TokenKey;
    const now = Math.floor(Date.now() / 1000);
    const token = await new SignJWT({ sid: claims.sessionId })
      .setProtectedHeader({ alg: "EdDSA", kid: key.id, typ: "at+jwt" })
      .setIssuer(issuer)
      .setSubject(claims.userId)
      .setIssuedAt(now)
      .setExpirationTime(now + accessTokenSeconds)
      .sign(key.privateKey);
    return { token, expireTime: new Date((now + accessTokenSeconds) * 1000) };
  }

  /** @throws ServiceError UNAUTHENTICATED when the token is not ours, was changed or has expired */
  async verify(token: string): Promise<AccessTokenClaims> {
    try {
      const { payload } = await jwtVerify(token, ({ kid }) => this.#publicKey(kid), {
        algorithms: ["EdDSA"],
        issuer,
        typ: "at+jwt",
        requiredClaims: ["sub", "sid", "exp"],
      });
      return { userId: payload.sub as string, sessionId: String(payload.sid) };
    } catch (error) {
      throw new ServiceError(
        Code.unauthenticated,
        "ACCESS_TOKEN_INVALID",
        "The access token is malformed, expired or not issued here. Get a new one with RefreshSession or Login.",
        { cause: error },
      );
    }
  }

  #publicKey(kid: string | undefined): webcrypto.CryptoKey {
    const key = this.#keys.find((candidate) => candidate.id === kid);
    if (key === undefined) throw new Error("the token names no key of ours");
    return key.publicKey;
  }
}

async function newTokenKey(masterKey: MasterKey): Promise<TokenKeyRow> {
  const id = `tk_${randomBase62(16)}`;
  const { publicKey, privateKey } = await generateKeyPair("EdDSA", { extractable: true });
  const privateJwk = Buffer.from(JSON.stringify(await exportJWK(privateKey)));
  const publicJwk = { ...(await exportJWK(publicKey)), kid: id, alg: "EdDSA", use: "sig" };
  return {
    id,
    public_key: JSON.stringify(publicJwk),
    sealed_private_key: seal(masterKey.key, privateJwk, tokenKeyContext(id)),
  };
}

async function openTokenKey(row: TokenKeyRow, masterKey: MasterKey): Promise<TokenKey> {
  const privateJwk = unseal(masterKey.key, row.sealed_private_key, tokenKeyContext(row.id));
  const publicJwk = JSON.parse(row.public_key) as JWK;
  return {
    id: row.id,
    publicJwk,
    publicKey: (await importJWK(publicJwk, "EdDSA")) as webcrypto.CryptoKey,
    privateKey: (await importJWK(
      JSON.parse(privateJwk.toString()),
      "EdDSA",
    )) as webcrypto.CryptoKey,
  };
}
