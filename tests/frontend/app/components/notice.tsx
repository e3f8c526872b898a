import { useEffect } from "react";
import type { ApiError } from "../lib/api-error";

/** What went wrong. Where another try may help, there is one after a while, and a button for the impatient. */
export function Notice({ problem, onRetry }: { problem: ApiError; onRetry: () => Promise<unknown> }) {
  const { message, retryAfter } = problem;

  useEffect(() => {
    if (retryAfter !== null) {
      const timer = setTimeout(() => void onRetry(), retryAfter * 1000);
      return () => clearTimeout(timer);
    }
  }, [problem, retryAfter, onRetry]);

  return (
    <div className="notice" role="alert">
      <p>{message}</p>
      {retryAfter !== null && (
        <button type="button" className="quiet" onClick={() => void onRetry()}>
          Try again
        </button>
      )}
    </div>
  );
}
