"""Holes that were found in what TaskFlow runs on, each with the first version that no longer has it.

Every one of them stands in its package's own changelog or in a public database of advisories, under this name.
"""

FIXED_IN: dict[str, dict[str, str]] = {
    "anyio": {
        "CVE-2026-63374": "4.14.2",
        "CVE-2026-64847": "4.14.2",
    },
    "certifi": {
        "CVE-2024-39689": "2024.7.4",
    },
    "cryptography": {
        "CVE-2026-39892": "46.0.7",
        "CVE-2026-69247": "50.0.0",
        "GHSA-537c-gmf6-5ccf": "48.0.1",
    },
    "h11": {
        "GHSA-vqfr-h8mv-ghfj": "0.16.0",
    },
    "httptools": {
        "CVE-2022-32214": "0.5.0",
        "CVE-2023-30589": "0.6.0",
        "CVE-2024-27982": "0.6.3",
    },
    "idna": {
        "CVE-2024-3651": "3.7",
        "CVE-2026-45409": "3.14",
    },
    "jinja2": {
        "CVE-2024-56326": "3.1.5",
        "CVE-2025-27516": "3.1.6",
    },
    "mako": {
        "CVE-2026-41205": "1.3.11",
        "CVE-2026-44307": "1.3.12",
    },
    "orjson": {
        "CVE-2024-27454": "3.9.15",
        "CVE-2025-67221": "3.11.6",
    },
    "pydantic": {
        "CVE-2021-29510": "1.8.2",
    },
    "pydantic-settings": {
        "GHSA-4xgf-cpjx-pc3j": "2.14.2",
    },
    "pyjwt": {
        "CVE-2022-29217": "2.4.0",
        "CVE-2024-53861": "2.10.1",
        "CVE-2026-32597": "2.12.0",
        "CVE-2026-48523": "2.13.0",
        "CVE-2026-48526": "2.13.0",
        "GHSA-w7vc-732c-9m39": "2.13.0",
        "GHSA-8wjv-2p76-3863": "2.14.0",
        "GHSA-hxm8-2xgr-2p9m": "2.14.0",
        "GHSA-pxh4-856f-4h89": "2.14.0",
        "GHSA-r6x4-923q-g947": "2.14.0",
        "CVE-2026-101918": "2.15.0",
        "CVE-2026-102275": "2.15.0",
    },
    "python-dotenv": {
        "CVE-2026-28684": "1.2.2",
    },
    "python-multipart": {
        "CVE-2026-24486": "0.0.22",
        "CVE-2026-40347": "0.0.26",
        "CVE-2026-42561": "0.0.27",
        "CVE-2026-53538": "0.0.30",
    },
    "pyyaml": {
        "CVE-2020-14343": "5.4",
    },
    "requests": {
        "CVE-2023-32681": "2.31.0",
        "CVE-2024-35195": "2.32.0",
        "CVE-2024-47081": "2.32.4",
        "CVE-2026-25645": "2.33.0",
    },
    "starlette": {
        "GHSA-v5gw-mw7f-84px": "0.27.0",
        "GHSA-f96h-pmfr-66vw": "0.40.0",
        "CVE-2025-54121": "0.47.2",
        "CVE-2025-62727": "0.49.1",
        "CVE-2026-48710": "1.0.1",
        "CVE-2026-48818": "1.1.0",
        "PYSEC-2026-248": "1.3.0",
        "CVE-2026-54283": "1.3.1",
    },
    "urllib3": {
        "GHSA-2xpw-w6gg-jr37": "2.6.0",
        "GHSA-gm62-xv2j-4w53": "2.6.0",
        "GHSA-38jv-5279-wg99": "2.6.3",
        "GHSA-mf9v-mfxr-j63j": "2.7.0",
        "GHSA-qccp-gfcp-xxvc": "2.7.0",
        "GHSA-8988-9cw3-xx77": "2.8.0",
        "GHSA-gh4c-6fx4-qh6g": "2.8.0",
        "GHSA-vxq7-64xx-v4gw": "2.8.0",
    },
    "uvicorn": {
        "CVE-2020-7694": "0.11.7",
        "CVE-2020-7695": "0.11.7",
    },
    "websockets": {
        "CVE-2021-33880": "9.1",
    },
    "werkzeug": {
        "GHSA-2g68-c3qc-8985": "3.0.3",
        "GHSA-f9vj-2wh5-fj8j": "3.0.6",
        "GHSA-q34m-jh98-gwm2": "3.0.6",
        "CVE-2025-66221": "3.1.4",
        "CVE-2026-21860": "3.1.5",
        "CVE-2026-27199": "3.1.6",
        "GHSA-g6x2-hccm-hh4m": "3.1.9",
    },
}
"""Package, name of the hole, first version without it."""
