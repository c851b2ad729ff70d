#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// A request's target, split. Only the names of the query are decoded: an escaped slash is part of a segment.
struct target {
    struct parameter {
        std::string name;        // empty if it has an invalid escape
        std::string_view value;  // not decoded; empty without `=`
        bool operator==(parameter const&) const = default;
    };

    std::vector<std::string_view> path;  // "/v1/tallies" is {"v1", "tallies"}, "/" is {""}
    std::vector<parameter> query;
};

// Nothing if the text is neither `/path?query` nor `http://host/path?query`. Lifetime: the views refer to `text`.
std::optional<target> split_target(std::string_view text);

// The host and port of a target that is `http://host:port/path`; empty if it names no host, nothing if it is a path. Lifetime: as above.
std::optional<std::string_view> authority_of(std::string_view text) noexcept;

// Decodes escapes like `%41`. Nothing if one is invalid.
std::optional<std::string> percent_decoded(std::string_view text);

// The same for a query, where `+` is a space, as HTML forms and URLSearchParams write it.
std::optional<std::string> query_decoded(std::string_view text);

// Whether the query has this name, with or without a value.
bool has_query(target const& split, std::string_view name);

// The first value of this name in the query, decoded. Nothing if there is none, or if it has an invalid escape.
std::optional<std::string> query_value(target const& split, std::string_view name);

}  // namespace pgtally::server
