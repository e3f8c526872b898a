"""The keys that the frontend publishes (JWKS, RFC 7517), such as Better Auth's jwt plugin does.

keyset     the keys as they are known now, kept fresh in the background
allowance  how often they may be fetched for keys that are not known
endpoint   where they are fetched from, with all that can go wrong there
document   what is published, and which of it can be used
"""

from taskflow.auth.jwks.document import ACCEPTED_NAMES, ALGORITHMS, PublishedKey, describe_kid
from taskflow.auth.jwks.endpoint import KeyEndpoint, KeysError
from taskflow.auth.jwks.keyset import KeySet

__all__ = ["ACCEPTED_NAMES", "ALGORITHMS", "KeyEndpoint", "KeySet", "KeysError", "PublishedKey", "describe_kid"]
