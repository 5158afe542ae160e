import { MonitorIcon, MoonIcon, SunIcon } from "lucide-react";

import { setTheme, type Theme, useTheme } from "@/lib/theme";
import { Button } from "./ui/button";

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const ICONS = { system: MonitorIcon, light: SunIcon, dark: MoonIcon };

/** Goes through the themes: the system's, light, dark. */
export function ThemeButton() {
  const theme = useTheme();
  const Icon = ICONS[theme];
  const label = `Theme: ${theme}. Change to ${NEXT[theme]}`;
  return (
    <Button
      variant="ghost"
      size="icon"
      aria-label={label}
      title={label}
      onClick={() => setTheme(NEXT[theme])}
    >
      <Icon />
    </Button>
  );
}
