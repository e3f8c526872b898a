import { env } from "node:process";

function read(name: string): string {
  const value = env[name];
  if (value === undefined) {
    throw new Error(`${name} is not set`);
  }
  return value;
}

/** Where TaskFlow is, whose tasks are asked for, and the tokens that the user has, the first one perhaps expired. */
export const baseUrl = read("TASKFLOW_URL");
export const user_id = read("USER_ID");
export const tokens = read("TOKENS").split(" ");
