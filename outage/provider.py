"""`python -m outage.provider FOLDER honours|ignores`: a gateway for SMS as docs/channels.md has it.

It believes every signature. What is taken is written to `accepted` before it is answered: the id,
and the key it was sent under, which is the process that sent it. One that honours ids takes each
once, and answers a second time as it did the first.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import uvloop


class Provider:
    """Takes messages."""

    def __init__(self, folder: Path, *, honours: bool) -> None:
        """Write to `accepted` in a folder."""
        self._honours, self._known = honours, set[str]()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._accepted = os.open(folder / "accepted", flags)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                fields = dict(
                    line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line
                )
                body = await reader.readexactly(int(fields[b"content-length"]))
                told = self._take(json.loads(body), fields[b"x-key"].decode())
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (len(told), told)
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _take(self, told: dict[str, Any], sender: str) -> bytes:
        keys = [message["message_id"] for message in told["messages"]]
        fresh = [key for key in keys if not (self._honours and key in self._known)]
        os.write(self._accepted, "".join(f"{key} {sender}\n" for key in fresh).encode())
        self._known.update(keys)
        said = [{"message_id": key, "code": 0, "id": f"sms-{key[-12:]}"} for key in keys]
        return json.dumps({"code": 0, "message": "ok", "messages": said}).encode()


async def main(folder: Path, *, honours: bool) -> None:
    """Serve at a free port, whose number is then in `port`, until killed."""
    provider = Provider(folder, honours=honours)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    partly = folder / "port.new"
    partly.write_text(str(port))
    partly.rename(folder / "port")
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), honours=sys.argv[2] == "honours"))
