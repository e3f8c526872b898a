import { dirname } from "node:path";
import type { NextConfig } from "next";

const config: NextConfig = {
  // The packages are a folder further up, where the other tests have them too.
  turbopack: { root: dirname(import.meta.dirname) },
  devIndicators: false,
  poweredByHeader: false,
};

export default config;
