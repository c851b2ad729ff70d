#pragma once

#include <pgtally/db/types.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <string>

/// Makes boost::json::value a parameter and a column of json and jsonb. This is the only header that needs
/// Boost.JSON: link Boost::json, or include <boost/json/src.hpp> once.
///
/// Numbers that fit neither std::int64_t nor std::uint64_t become double; use db::json if all digits matter.
///
/// *Errors*: values nested deeper than 32 levels, the limit of Boost's parser, are bad_result.
template <>
struct pgtally::db::codec<boost::json::value> : pgtally::db::codec_as<boost::json::value, pgtally::db::json> {
    static json to_base(boost::json::value const& value) { return json(boost::json::serialize(value)); }

    static boost::json::value from_base(json const& text)
    {
        boost::json::error_code ec;
        auto value = boost::json::parse(text.text, ec);
        if (ec) detail::throw_bad_result("the JSON cannot be parsed: " + ec.message());
        return value;
    }
};
