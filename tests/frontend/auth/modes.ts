import { env } from "node:process";
import { jwt, type JwtOptions } from "better-auth/plugins/jwt";
import { hs256 } from "./hs256";

type KeyPair = NonNullable<JwtOptions["jwks"]>["keyPairConfig"];

/** The jwt plugin with keys of its own; how long they and the tokens live is for the environment to say. */
function signWith(keyPairConfig?: KeyPair) {
  const { TOKEN_LIFE, ROTATION_SECONDS, GRACE_SECONDS } = env;
  return jwt({
    sessionCookieCache: env.COOKIE === "signed-with-keys",
    jwks: {
      keyPairConfig,
      rotationInterval: ROTATION_SECONDS ? Number(ROTATION_SECONDS) : undefined,
      gracePeriod: GRACE_SECONDS ? Number(GRACE_SECONDS) : undefined,
    },
    jwt: { expirationTime: TOKEN_LIFE },
  });
}

/** The ways in which a frontend's tokens are signed; in the last one by a route of its own, without a plugin. */
export const modes = {
  eddsa: () => signWith(),
  es256: () => signWith({ alg: "ES256" }),
  es512: () => signWith({ alg: "ES512" }),
  rs256: () => signWith({ alg: "RS256" }),
  ps256: () => signWith({ alg: "PS256" }),
  hs256: () => hs256,
  bridge: () => undefined,
};

export type Mode = keyof typeof modes;

export function isMode(name: string | undefined): name is Mode {
  return name !== undefined && name in modes;
}
