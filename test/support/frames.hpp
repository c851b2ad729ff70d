#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::test {

/// A message of PostgreSQL's protocol, whole.
struct frame {
    std::string name;  ///< its type byte, or "startup", "SSLRequest", ...; "tls" for a TLS record
    std::string bytes;
};

/// Cuts one direction of a connection into messages (protocol 3, "Message Formats").
class frame_splitter {
public:
    enum class sender { client, server };

    explicit frame_splitter(sender from) noexcept;

    void add(std::string_view bytes) { held_.append(bytes); }

    /// The next message that is there as a whole. Throws std::runtime_error for what cannot be one.
    [[nodiscard]] std::optional<frame> next();

    /// The other side asked for encryption: the next byte is the answer.
    void expect_one_byte() noexcept { shape_ = shape::one_byte; }
    /// From here on there are TLS records.
    void expect_tls() noexcept { shape_ = shape::tls; }

private:
    enum class shape {
        untyped,   ///< length, then the rest: what a client says first
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
