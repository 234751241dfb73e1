"""How well a gateway retrieves: judged queries, several ways of ranking, figures with confidence intervals."""
