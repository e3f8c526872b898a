import { env } from "node:process";
import { betterAuth } from "better-auth";
import { Pool } from "pg";
import { isMode, modes } from "./modes";

const mode = env.MODE;
if (!isMode(mode)) {
  throw new Error(`MODE must be one of ${Object.keys(modes).join(", ")}`);
}
const plugin = modes[mode]();

const database = new Pool({ connectionString: env.DATABASE_URL });
// A database that restarts ends idle connections; without a listener that would end the process too.
database.on("error", (error) => console.error("a connection to the database was lost:", error.message));

/** Better Auth as a frontend has it, in the mode that the environment names. */
export const auth = betterAuth({
  baseURL: env.BETTER_AUTH_URL,
  secret: env.BETTER_AUTH_SECRET,
  database,
  emailAndPassword: { enabled: true },
  emailVerification: {
    sendOnSignUp: env.VERIFY_EMAIL === "yes",
    // In place of an e-mail: whoever runs this reads it.
    sendVerificationEmail: async ({ token }) => console.log(`verification token: ${token}`),
  },
  session: { cookieCache: { enabled: env.COOKIE !== undefined, strategy: "jwt" } },
  plugins: plugin ? [plugin] : [],
});
