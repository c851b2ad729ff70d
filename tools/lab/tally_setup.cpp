#include "tally_setup.hpp"

#include <iostream>

namespace pgtally::lab {

asio::awaitable<void> have_schema_tally(laboratory& lab, progress& shown)
{
    bool const installed = co_await lab.install_tally();
    if (!installed) co_return;
    shown.end();
    std::cerr << "pgtally-lab: schema tally was not in this database and has been installed; it stays, \"pgtally "
                 "uninstall\" removes it\n";
}

}  // namespace pgtally::lab
