import { jwt } from "better-auth/plugins/jwt";
import { SignJWT } from "jose";
import { secret } from "./secret";

/** The jwt plugin, signing with the shared secret and not with keys of its own. */
export const hs256 = jwt({
  // The plugin wants to be told where the keys are if it does not sign itself. There are none: nobody looks there.
  jwks: { remoteUrl: "https://app.example.com/no-keys", keyPairConfig: { alg: "EdDSA" } },
  jwt: {
    sign: (claims) => new SignJWT(claims).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(secret),
  },
});
