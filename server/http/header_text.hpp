#pragma once

// Where a request's header ends, found before it is parsed.
//
// Model: `header_text` looks at the bytes of a connection as they come. It skips empty lines before a request (RFC 9112, 2.2), and
// finds the empty line that ends the header. It refuses what servers and proxies read differently (RFC 9112, 11.2): a line
// that ends by LF or CR alone, a line that continues the one before (obs-fold), a zero byte; and, at the first byte, what
// is no HTTP, such as a TLS handshake.
//
// Not promised: that the header is right. The parser reads it afterwards.

#include <cstddef>
#include <string_view>

namespace pgtally::server {

class header_text {
public:
    enum class state {
        incomplete,  // more bytes are needed
        complete,    // `text` is the header with its last empty line
        refused,     // this is not HTTP: 400
    };

    // `bytes` are all bytes of the connection since the last request, those of earlier calls too.
    state look(std::string_view bytes) noexcept;

    // The bytes of empty lines before the request. The most that are skipped: `most_skipped`.
    std::size_t skipped() const noexcept { return begin_; }
    static constexpr std::size_t most_skipped = 16;

    // The size of the header, with its last empty line, if it is complete.
    std::size_t size() const noexcept { return at_ - begin_; }

    // Whether the first line, with the target, is there.
    bool has_target() const noexcept { return lines_ > 0; }

private:
    std::size_t begin_ = 0, line_ = 0, at_ = 0;  // of the request, of the line, of the next byte
    std::size_t lines_ = 0;                      // complete ones
};

// Whether a first line that the parser refuses names a version of HTTP that the server does not speak: `… HTTP/2.0`.
bool names_other_version(std::string_view header) noexcept;

}  // namespace pgtally::server
