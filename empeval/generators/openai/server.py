"""Where a served model is and by which key it is asked."""

from __future__ import annotations

import ipaddress
import os
import re
from urllib.parse import urlsplit, urlunsplit

from empeval.errors import UsageError
from empeval.redacting import redact, remember

HOSTED = "https://api.openai.com/v1"
URL_NAME = "OPENAI_BASE_URL"


class Server:
    """An OpenAI-compatible server.

    The key is read from the environment when it is needed, is never an attribute, and is hidden
    in every text from then on.

    Args:
        base_url: such as ``http://localhost:8000/v1``; else ``OPENAI_BASE_URL``, else OpenAI's.
        key_name: the environment variable that holds the key.

    Attributes:
        url: without a slash at its end. shown: without a user or password, for people and files.

    Raises:
        UsageError: the URL makes no sense, or ``key_name`` is no variable's name.
    """

    def __init__(self, base_url: str | None, key_name: str) -> None:
        self.url = (base_url or os.environ.get(URL_NAME) or HOSTED).rstrip("/")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key_name):
            raise UsageError(  # it may well be the key: it is not repeated
                "api_key_env is no name of an environment variable. Put the key into a variable "
                "and give its name: api_key_env=MY_API_KEY"
            )
        self.key_name = key_name
        remember({"base_url": self.url})
        try:
            parts = urlsplit(self.url)
            self._host = parts.hostname or ""
            port = parts.port
        except ValueError as error:
            raise UsageError(f"base_url '{redact(self.url)}' is no URL: {error}.") from None
        if parts.scheme not in ("http", "https") or not self._host:
            raise UsageError(
                f"base_url is '{redact(self.url)}'; it begins with http:// or https://, for "
                "example http://localhost:8000/v1"
            )
        host = f"[{self._host}]" if ":" in self._host else self._host
        address = host if port is None else f"{host}:{port}"
        self._secure = parts.scheme == "https"
        self._query = parts.query
        self._path = parts.path
        self._front = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
        self.shown = redact(urlunsplit((parts.scheme, address, parts.path, parts.query, "")))

    def address(self, endpoint: str) -> str:
        """The URL of an endpoint such as ``chat/completions``, with the base URL's query."""
        query = f"?{self._query}" if self._query else ""
        return f"{self._front}{self._path}/{endpoint}{query}"

    def key(self) -> str | None:
        """The key, hidden from now on in every text; ``None`` where there is none.

        Raises:
            UsageError: it holds what no header can.
        """
        key = os.environ.get(self.key_name, "").strip()
        remember({"api_key": key})
        if not (key.isascii() and key.isprintable()):
            raise UsageError(f"The key in {self.key_name} holds characters that no key has.")
        return key or None

    @property
    def hosted(self) -> bool:
        """Whether it is OpenAI's own, which answers nobody without a key."""
        return self._host == urlsplit(HOSTED).hostname

    @property
    def here(self) -> bool:
        """Whether it is this machine; then no proxy lies between."""
        if self._host == "localhost" or self._host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self._host).is_loopback
        except ValueError:
            return False

    @property
    def exposes_key(self) -> bool:
        """Whether the key would go through a network as plain text."""
        return not self._secure and not self.here and self.key() is not None
