import { authClient } from "./auth-client";

/** How long before its end a token is no longer used, in milliseconds: a request may take a moment to arrive. */
const MARGIN = 5_000;

let token: string | null = null;
let pending: Promise<string | null> | null = null;

/**
 * Gives the user's token, from memory as long as it is good; null if nobody is signed in. Kept nowhere else: what a
 * page stores, any script of the page can read.
 */
export async function getToken(refused: boolean): Promise<string | null> {
  if (!refused && token !== null && readExpiry(token) - MARGIN > Date.now()) {
    return token;
  }
  // Requests that start together share one question.
  pending ??= fetchToken().finally(() => {
    pending = null;
  });
  token = await pending;
  return token;
}

/** To be called when the user signs in or out, or the next one would be given the last one's token. */
export function forgetToken(): void {
  token = null;
}

async function fetchToken(): Promise<string | null> {
  const { data } = await authClient.token();
  if (data) {
    return data.token;
  }
  // Better Auth says 401 here also when its database is away. Only an answer without a session is the end of it.
  const session = await authClient.getSession();
  if (session.error || session.data) {
    throw new Error("The sign-in service does not answer at the moment.");
  }
  return null;
}

function readExpiry(jwt: string): number {
  const payload = jwt.split(".")[1] ?? "";
  const { exp }: { exp: number } = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
  return exp * 1000;
}
