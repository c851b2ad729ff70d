#include <pgtally/server/cli/common_options.hpp>
#include <pgtally/server/cli/token_options.hpp>

namespace pgtally::server {

namespace po = boost::program_options;

po::options_description common_options()
{
    po::options_description out{"Options"};
    out.add_options()("dsn", po::value<std::string>()->value_name("DSN"),
                      "the database, as keywords or URI; else PGTALLY_DSN, DATABASE_URL, libpq's own environment")(
        "help", "print this")("version", "print the version");
    return out;
}
std::string dsn_of(option_values const& values)
{
    auto out = values.text("dsn", "");
    return out.empty() ? values.variable("DATABASE_URL") : out;
}

std::vector<std::string> tallies_of(option_values const& values)
{
    auto out = values.list("tally");
    for (auto const& name : out) {
        if (!is_tally_name(name)) values.refuse("tally", name, "a tally's name: a-z, 0-9 and _, at most 63");
    }
    return out;
}

}  // namespace pgtally::server
