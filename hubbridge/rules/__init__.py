"""What a bridge goes by: pure rules, without a clock, a socket or a file."""
