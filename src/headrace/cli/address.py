"""``HOST:PORT``, as options take it."""

from __future__ import annotations

import click

from headrace.address import Address, parse_address


class AddressType(click.ParamType[Address]):
    """Where to listen, as ``parse_address`` reads it."""

    name = "HOST:PORT"

    def convert(
        self, value: str | Address, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        """The host, without brackets, and the port."""
        if isinstance(value, tuple):
            return value
        try:
            return parse_address(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


ADDRESS = AddressType()
