/** Gives the user's token: the one at hand or, when that was refused, a new one; null if the user is signed out. */
export type TokenSource = (refused: boolean) => Promise<string | null>;

/**
 * A `fetch` that sends the user's token. A 401 is tried once more with a new token: the old one may have expired on the
 * way. A second 401 is the end of the session.
 */
export function authorizedFetch(getToken: TokenSource): (request: Request) => Promise<Response> {
  async function send(request: Request, refused: boolean): Promise<Response> {
    const token = await getToken(refused);
    if (token !== null) {
      request.headers.set("Authorization", `Bearer ${token}`);
    }
    return fetch(request);
  }

  return async (request) => {
    const again = request.clone();
    const response = await send(request, false);
    return response.status === 401 ? send(again, true) : response;
  };
}
