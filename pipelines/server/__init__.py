"""Who serves people: doors for clients and pages for browsers, and what goes on behind them."""
