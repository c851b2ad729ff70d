#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <string>

namespace pgtally::server {

// A line on a terminal that says what is looked at. It appears if the whole takes over a second, and goes at the end.
//
// Threads: one.
class progress {
public:
    // `shown`: stderr is a terminal that understands sequences.
    progress(boost::asio::any_io_executor executor, bool shown);
    ~progress();
    progress(progress const&) = delete;
    progress& operator=(progress const&) = delete;

    void step(std::string what);

private:
    struct line {
        bool visible = false, ended = false;
        std::string what{};
        void paint() const;
    };

    boost::asio::steady_timer timer_;
    std::shared_ptr<line> line_ = std::make_shared<line>();  // the timer's handler may outlive this object
};

}  // namespace pgtally::server
