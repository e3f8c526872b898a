/** Next.js calls this once, when the server starts: Better Auth's tables are made where they are missing. */
export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME !== "nodejs") {
    return;
  }
  const { getMigrations } = await import("better-auth/db/migration");
  const { auth } = await import("./lib/auth");
  try {
    const { runMigrations } = await getMigrations(auth.options);
    await runMigrations();
  } catch (error) {
    // Better to end than to answer 500 for good: Better Auth remembers that its tables were missing.
    console.error("Better Auth's tables cannot be made:", error instanceof Error ? error.message : error);
    process.exit(1);
  }
}
