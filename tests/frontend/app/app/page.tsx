import { connection } from "next/server";
import { Home } from "../components/home";

export default async function Page() {
  // At each request: where the API is, the environment says when the server runs, not when it is built.
  await connection();
  return <Home apiUrl={process.env.TASKFLOW_URL ?? "http://localhost:8000"} />;
}
