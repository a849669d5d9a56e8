"""The calls of a client, by what they are about. Every one raises PdaasError when it fails."""

from .accounts import Accounts
from .api_keys import ApiKeys
from .audit_events import AuditEvents
from .organizations import Organizations
from .service_accounts import ServiceAccounts

__all__ = ["Accounts", "ApiKeys", "AuditEvents", "Organizations", "ServiceAccounts"]
