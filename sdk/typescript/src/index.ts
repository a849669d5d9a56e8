export * from "./api.ts";
export { Client } from "./node/client.ts";
export type { ClientOptions } from "./node/settings.ts";
export type { SerializationOptions } from "./signing/body.ts";
export { type SigningOptions, signingInterceptor } from "./signing/connect.ts";
export { type RequestToSign, signRequest } from "./signing/sign-request.ts";
export type { KeySource, SignatureHeaders, SigningKey } from "./signing/signer.ts";
