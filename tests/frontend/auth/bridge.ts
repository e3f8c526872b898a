import { SignJWT } from "jose";
import { auth } from "./auth";
import { secret } from "./secret";

/** GET /api/token, without the jwt plugin: whoever has a session gets a token that is good for an hour. */
export async function GET(request: Request): Promise<Response> {
  const session = await auth.api.getSession({ headers: request.headers });
  if (!session) {
    return Response.json({ message: "Unauthorized" }, { status: 401 });
  }
  const { id, email, name } = session.user;
  const token = await new SignJWT({ email, name })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(id)
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(secret);
  return Response.json({ token });
}
