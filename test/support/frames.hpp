#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::test {

/// A complete message of PostgreSQL's protocol.
struct frame {
    std::string name;  ///< its type byte, or "startup", "SSLRequest", ...; "tls" for a TLS record
    std::string bytes;
};

/// Cuts one direction of a connection into messages (PostgreSQL manual, "Message Formats", protocol 3).
class frame_splitter {
public:
    enum class sender { client, server };

    explicit frame_splitter(sender from) noexcept;

    void add(std::string_view bytes) { held_.append(bytes); }

    /// Returns the next complete message. Throws std::runtime_error if the bytes cannot be a message.
    [[nodiscard]] std::optional<frame> next();

    /// The other side has requested encryption: the next byte is the answer.
    void expect_one_byte() noexcept { shape_ = shape::one_byte; }
    /// TLS records follow from here on.
    void expect_tls() noexcept { shape_ = shape::tls; }

private:
    enum class shape {
        untyped,   ///< length, then the rest: a client's first message
        one_byte,  ///< the answer to SSLRequest
        typed,     ///< type, length, the rest
        tls,       ///< records of TLS
    };

    [[nodiscard]] std::size_t number_at(std::size_t position, std::size_t bytes) const noexcept;
    [[nodiscard]] std::size_t size_of_next() const;
    [[nodiscard]] std::string name_of_next() const;

    shape shape_;
    std::string held_{};
};

}  // namespace pgtally::test
