"""What stands in front of a server: TLS, or a Unix socket."""

import contextlib
import select
import socket
import ssl
import threading


class Front:
    """Accepts at `listener`, by TLS with `context`, and passes bytes to and from `address`. `names` are those that clients asked for."""

    def __init__(self, listener, address, context=None):
        self.listener, self.address, self.context = listener, address, context
        self.names, self.versions = [], []
        if context:
            context.sni_callback = lambda connection, name, _: self.names.append(name)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError):
            if self.context:
                client = self.context.wrap_socket(client, server_side=True)
                self.versions.append(client.version())
            with client, socket.create_connection(self.address) as server:
                self._pass_on(client, server)

    def _pass_on(self, client, server):
        """Until either ends, by one thread: two must not use one connection of TLS. It is ended as TLS has it."""
        while True:
            waiting = [client] if self.context and client.pending() else select.select([client, server], [], [])[0]
            for source, sink in (client, server), (server, client):
                if source not in waiting:
                    continue
                if data := source.recv(65536):
                    sink.sendall(data)
                    continue
                if self.context and source is server:
                    client.unwrap()
                return


def address_of(url):
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)


def tls(server_url, pem, newest=None):
    """A front with the key and certificate of `pem`; `newest`, the newest version that it speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if newest:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = newest
        context.maximum_version = newest
    context.load_cert_chain(pem)
    listener = socket.create_server(("127.0.0.1", 0))
    return Front(listener, address_of(server_url), context)


def unix(server_url, path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return Front(listener, address_of(server_url))
